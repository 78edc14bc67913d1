"""A running rack of Ladon for tests: `ladon_rack` and `ladon_up` are fixtures of pytest (plugin.py); Rack does without."""

from ladon_pytest.rack import Guest, Rack, Refused

__all__ = ["Guest", "Rack", "Refused"]
