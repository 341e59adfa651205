"""reelzero eventing: accepts jobs, keeps them, sends them to predictors and announces how they ended.

Light by rule: nothing in this package imports torch, kserve, diffusers or `predictor`.
"""

__version__ = "0.1.0"
