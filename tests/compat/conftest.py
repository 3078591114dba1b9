import mnv4_vision  # noqa: F401  (repairs mmcv before the tests import it)
