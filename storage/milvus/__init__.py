"""Vectors in Milvus: a derived index beside the catalog, made anew whenever it is not what was recorded."""
