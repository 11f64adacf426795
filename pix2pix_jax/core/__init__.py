"""What everything stands on: configuration, the one error, whole files, devices, processes."""
