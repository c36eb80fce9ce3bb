// Text from peers, devices and users as it may be shown on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace multifd {

/// `text` with every control byte (and so every terminal escape and line end) as '?'. UTF-8 stays.
std::string printable(std::string_view text);

}  // namespace multifd
