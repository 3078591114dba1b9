"""`--demo`: the kind of thing in the generated scenes, learnt from scratch by two CPU cores."""

demo = {
    "image_size": 128,
    "epochs": 30,
    "train_cfg.val_interval": 6,
    "train_dataloader.batch_size": 16,
    "train_dataloader.dataset.pipeline.1.area_range": (0.5, 1.0),
    "auto_scale_lr.base_batch_size": 16,
    "optim_wrapper.optimizer.lr": 3e-3,
    "default_hooks.logger.interval": 10,
    "model.backbone.pretrained": None,
    "model.backbone.drop_path_rate": 0.0,
}
