"""Where the repository lint gives way, each place with its reason."""

# Error codes that no test produces: none.
UNTESTED_ERROR_CODES = set()

# Sources whose test does not stand at tests/<same path>_test.cpp: the test, and why.
TESTED_ELSEWHERE = {
}
