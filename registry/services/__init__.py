"""The rules of the registry. No HTTP, no paths: values in, values or `registry.oci.errors` out."""
