#!/usr/bin/python3
"""Checks JSON documents against a JSON Schema.

    validate_report.py SCHEMA FILE...    FILE may be - for standard input

Prints one line for each fault and ends with 1 if there is any.
"""

import json
import sys

import jsonschema


def faults_of(validator, path):
    try:
        with open(0 if path == "-" else path, encoding="utf-8") as stream:
            document = json.load(stream, parse_constant=lambda name: name)
    except (OSError, ValueError) as error:
        return [str(error)]
    return [
        "/".join(map(str, error.absolute_path)) + ": " + error.message
        for error in validator.iter_errors(document)
    ]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as stream:
        schema = json.load(stream)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    found = False
    for path in sys.argv[2:]:
        for fault in faults_of(validator, path):
            print(path + ": " + fault)
            found = True
    sys.exit(1 if found else 0)


main()
