"""The built-in names that keys of the configuration choose from.

What these names stand for is in the packages above; a test compares the two.
"""

GENERATORS = ("hybrid", "resnet", "unet")
DISCRIMINATORS = ("multiscale", "patch", "pixel")
NORMS = ("batch", "group", "instance", "instance_affine", "none")
ACTIVATIONS = ("gelu", "leaky_relu", "mish", "relu", "swish")
UPSAMPLINGS = ("nearest", "pixel_shuffle", "transposed")
DROPOUT_PLACEMENTS = ("paper", "reference")
INITIALIZERS = ("kaiming", "normal", "orthogonal", "xavier")
COMPUTE_DTYPES = ("bfloat16", "float32")
PRECISIONS = ("default", "float32", "tensorfloat32", "bfloat16")

# A name in angle brackets stands for any name.
SOURCES = ("folders", "pix2pix:<name>", "side_by_side", "single", "synthetic", "tfds:<name>")
DIRECTIONS = ("AtoB", "BtoA")
FILE_DTYPES = ("float32", "uint16", "uint8")
RESIZES = (
    "crop",
    "none",
    "resize",
    "resize_and_crop",
    "scale_width",
    "scale_width_and_crop",
)
RESIDENCES = ("auto", "copy", "spread")
ON_FAULT = ("fail", "skip")
DERIVATIONS = ("gray", "lab", "edges", "blur", "downscale", "mask", "small")
JITTER_SIDES = ("source", "target", "both")

GAN_LOSSES = ("hinge", "lsgan", "none", "vanilla", "wgangp")
RECONSTRUCTION_LOSSES = ("charbonnier", "cross_entropy", "l1", "l2")
PERCEPTUAL_LOSSES = ("lpips_alex", "lpips_vgg", "vgg")
DISCRIMINATOR_CHANGES = ("color", "translation", "cutout")
SCHEDULES = ("constant", "cosine", "linear", "plateau", "step")
ENDINGS = ("plateau",)

EVAL_MODES = ("deterministic", "paper")
# Of flags of `sample`.
FITS = ("resize", "pad", "tile")
TILE_NORMS = ("whole", "running", "tile")
MOST_DRAWS = 1000
PARTS = ("auto", "left", "right", "whole")
# Metrics of single images.
METRICS = (
    "class_accuracy",
    "class_iou",
    "histogram_correlation",
    "keypoint_ratio",
    "l1",
    "l2",
    "lab_a",
    "lab_b",
    "lab_l",
    "lpips_alex",
    "lpips_vgg",
    "ms_ssim",
    "pixel_accuracy",
    "psnr",
    "ssim",
    "template_matching",
)
