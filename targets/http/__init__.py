"""HTTP/1.1 as all reference servers speak it, without any input or output."""
