"""SQL and FAISS: what is known of the photos, and their vectors. Knows no models and no pixels."""
