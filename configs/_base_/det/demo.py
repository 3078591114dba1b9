"""`--demo`: the generated scenes, learnt from scratch by two CPU cores in minutes.

A short training from random weights wants a high learning rate and mild augmentation.
"""

demo = {
    "image_size": 160,
    "epochs": 12,
    "train_cfg.val_interval": 4,
    "train_dataloader.batch_size": 8,
    "train_dataloader.dataset.pipeline.2.ratio_range": (0.8, 1.25),
    "auto_scale_lr.base_batch_size": 8,
    "optim_wrapper.optimizer.lr": 3e-3,
    "default_hooks.logger.interval": 10,
    "model.backbone.pretrained": None,
    "model.backbone.drop_path_rate": 0.0,
}
