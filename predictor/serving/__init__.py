"""KServe and HTTP: how requests reach the device and how answers leave it."""
