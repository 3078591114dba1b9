"""A small generated set with boxes, masks and labels."""

from mnv4_vision.datasets.demo.make import DEMO_CLASSES, make_demo

__all__ = ["DEMO_CLASSES", "make_demo"]
