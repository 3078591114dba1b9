"""`--demo`: the generated scenes at a size that two CPU cores learn from scratch in minutes."""

demo = {
    "image_size": 160,
    "epochs": 12,
    "train_dataloader.batch_size": 8,
    "auto_scale_lr.base_batch_size": 8,
    "default_hooks.logger.interval": 10,
    "model.backbone.pretrained": None,
}
