// Address: where a connection goes or is awaited, as users write it.
//
//     tcp:HOST:PORT      HOST a name or IPv4 address; empty: every interface (listening only)
//     tcp:[IPV6]:PORT    PORT 0 to 65535; 0 picks a free one (listening only)
//     unix:PATH          PATH a socket file
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "channels/wire/error.hpp"

namespace multifd {

struct Address {
    enum class Family { tcp, unix_path };

    Family family = Family::tcp;
    std::string host;        ///< tcp only; IPv6 without its brackets.
    std::uint16_t port = 0;  ///< tcp only.
    std::string path;        ///< unix_path only.

    bool operator==(const Address&) const = default;
};

/// Errors:    address_invalid. A host's existence and a path's length are judged when they are
///            used.
Result<Address> parse_address(std::string_view text);

/// parse_address() of it gives the same address.
std::string to_string(const Address& address);

/// Whether only this host can reach it. A name other than "localhost" counts as reachable by all.
bool is_loopback(const Address& address);

}  // namespace multifd
