#include "channels/wire/assert.hpp"

#include <string>

namespace multifd {

void assertion_failed(const char* condition, const char* file, int line) {
    throw InternalError(std::string("internal fault: ") + condition + " does not hold at " + file +
                        ":" + std::to_string(line));
}

}  // namespace multifd
