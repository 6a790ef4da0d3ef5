"""Files of pictures: their bytes, upright and in sRGB; what they say of themselves; safely, in processes apart."""
