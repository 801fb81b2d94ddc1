"""The library jsonschema, also where it is the distribution's and `python3` is another Python."""
import sys

try:
    import jsonschema
except ImportError:
    sys.path.append("/usr/lib/python3/dist-packages")
    import jsonschema

Draft7Validator = jsonschema.Draft7Validator
Draft202012Validator = jsonschema.Draft202012Validator
