"""Validates OCSF events, one a line on standard input, against the schema of 1.8.0 that
ocsf-json-schema carries. Prints what is wrong; exit 1 if anything is, or if there was none."""
import json
import sys

sys.path.insert(0, sys.argv[1])
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
validator = Draft202012Validator(schema.get_class_schema(class_name="compliance_finding"))
events = [json.loads(line) for line in sys.stdin if line.strip()]
wrong = [
    f"{number}: {'/'.join(map(str, error.path))}: {error.message[:300]}"
    for number, event in enumerate(events, 1)
    for error in validator.iter_errors(event)
]
print("\n".join(wrong[:20]) or f"{len(events)} events are valid")
sys.exit(bool(wrong) or not events)
