#include "engine/cli/printable_text.hpp"

namespace multifd {

std::string printable(std::string_view text) {
    std::string shown(text);
    for (std::size_t at = 0; at < shown.size(); ++at) {
        const auto byte = static_cast<unsigned char>(shown[at]);
        if (byte < 0x20 || byte == 0x7f) shown[at] = '?';
        // U+0080 to U+009F are control characters too; terminals obey some of them.
        if (byte == 0xc2 && at + 1 < shown.size()) {
            const auto next = static_cast<unsigned char>(shown[at + 1]);
            if (next >= 0x80 && next < 0xa0) shown.replace(at, 2, "??");
        }
    }
    return shown;
}

}  // namespace multifd
