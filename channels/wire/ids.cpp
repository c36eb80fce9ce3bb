#include "channels/wire/ids.hpp"

namespace multifd {

std::string to_string(const SessionId& id) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * id.bytes.size());
    for (const std::byte byte : id.bytes) {
        const auto value = std::to_integer<unsigned>(byte);
        text.push_back(kDigits[value >> 4U]);
        text.push_back(kDigits[value & 0xfU]);
    }
    return text;
}

std::string to_string(const DeviceIdentity& identity) {
    if (identity.instance_id == 0) return identity.idstr;
    return identity.idstr + "/" + std::to_string(identity.instance_id);
}

}  // namespace multifd
