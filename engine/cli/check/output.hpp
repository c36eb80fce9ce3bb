// What multifd check says of a check: as text, as JSON, and as JUnit XML.
#pragma once

#include <string>

#include "multifd/conformance.hpp"

namespace multifd::checking {

/// A check that has run, and what became of what was there.
struct CheckOutcome {
    CheckReport report;
    std::string idstr;  ///< Of the device that was checked.
    std::string kept;   ///< The folder with what a failure left, or empty.
    int exit_code = 0;
};

/// For people: a line for each item, the transitions' times, and what to do about a failure.
std::string check_text(const CheckOutcome& outcome);

/// By config/multifd-check.schema.json, ended by a newline.
std::string check_json(const CheckOutcome& outcome);

/// A test suite of one test case for each item, as Jenkins and its like read it: names, results,
/// times in seconds. Bytes that XML cannot hold become '?'.
std::string check_junit(const CheckOutcome& outcome);

}  // namespace multifd::checking
