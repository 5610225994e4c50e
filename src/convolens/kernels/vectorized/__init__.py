"""NumPy and BLAS: the same functions as ``reference``, whole arrays at a time, on channels-last arrays."""
