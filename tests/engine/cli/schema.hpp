// Checks a document against one of the project's JSON Schemas.
#pragma once

#include <string>
#include <string_view>

namespace multifd {

/// What config/`schema` has against `document`; empty when nothing.
std::string schema_faults(std::string_view schema, std::string_view document);

}  // namespace multifd
