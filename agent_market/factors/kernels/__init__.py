"""The compiled loops.  Import them only where something is computed: loading numba takes a second."""
