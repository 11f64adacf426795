"""The metrics of image quality, and the table that lists them."""
