"""`--demo`: the generated scenes, learnt from scratch by two CPU cores in minutes.

A short training from random weights wants a high learning rate, mild augmentation, and classes
weighed by frequency: five sixths of the pixels are background.
"""

demo = {
    "image_size": 160,
    "epochs": 30,
    "train_cfg.val_interval": 6,
    "class_weights": dict(type="mnv4_vision.seg.ClassWeightsHook", power=0.5),
    "train_dataloader.batch_size": 8,
    "train_dataloader.dataset.pipeline.2.ratio_range": (0.8, 1.25),
    "auto_scale_lr.base_batch_size": 8,
    "optim_wrapper.optimizer.lr": 3e-3,
    "default_hooks.logger.interval": 10,
    "model.backbone.pretrained": None,
    "model.backbone.drop_path_rate": 0.0,
}
