#include "channels/transport/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace multifd {
namespace {

constexpr std::string_view kTcpPrefix = "tcp:";
constexpr std::string_view kUnixPrefix = "unix:";

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, port);
    if (text.empty() || stopped != end || error != std::errc{}) return std::nullopt;
    return port;
}

std::optional<in6_addr> parse_ipv6(std::string_view text) {
    // A scope ("fe80::1%eth0") names an interface; whether it exists is judged by its use.
    const std::string number(text.substr(0, text.find('%')));
    in6_addr parsed{};
    if (::inet_pton(AF_INET6, number.c_str(), &parsed) != 1) return std::nullopt;
    return parsed;
}

bool is_host_name(std::string_view host) {
    // Everything visible but what has a meaning in an address or an option list.
    return std::ranges::all_of(host, [](char letter) {
        return letter > ' ' && letter < '\x7f' &&
               std::string_view(":[],/").find(letter) == std::string_view::npos;
    });
}

Result<Address> parse_tcp(std::string_view text) {
    Address address;
    const bool bracketed = text.starts_with('[');
    const auto colon = bracketed ? text.find("]:") : text.find(':');
    if (colon == std::string_view::npos) return ErrorCode(Errc::address_invalid);
    const auto host = bracketed ? text.substr(1, colon - 1) : text.substr(0, colon);
    const auto port = parse_port(text.substr(colon + (bracketed ? 2 : 1)));
    const bool host_valid = bracketed ? parse_ipv6(host).has_value() : is_host_name(host);
    if (!port || !host_valid) return ErrorCode(Errc::address_invalid);
    address.host = host;
    address.port = *port;
    return address;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) return ErrorCode(Errc::address_invalid);
    if (text.starts_with(kTcpPrefix)) return parse_tcp(text.substr(kTcpPrefix.size()));
    if (!text.starts_with(kUnixPrefix) || text.size() == kUnixPrefix.size()) {
        return ErrorCode(Errc::address_invalid);
    }
    Address address;
    address.family = Address::Family::unix_path;
    address.path = text.substr(kUnixPrefix.size());
    return address;
}

std::string to_string(const Address& address) {
    if (address.family == Address::Family::unix_path) {
        return std::string(kUnixPrefix) + address.path;
    }
    const bool ipv6 = address.host.find(':') != std::string::npos;
    return std::string(kTcpPrefix) + (ipv6 ? "[" + address.host + "]" : address.host) + ":" +
           std::to_string(address.port);
}

bool is_loopback(const Address& address) {
    if (address.family == Address::Family::unix_path || address.host == "localhost") return true;
    constexpr std::uint32_t kLoopbackNet = 127;
    in_addr ipv4{};
    if (::inet_pton(AF_INET, address.host.c_str(), &ipv4) == 1) {
        return ntohl(ipv4.s_addr) >> 24U == kLoopbackNet;
    }
    const auto ipv6 = parse_ipv6(address.host);
    if (!ipv6) return false;
    constexpr std::size_t kMappedOffset = 12;  // An IPv4 address written as ::ffff:127.0.0.1.
    if (IN6_IS_ADDR_V4MAPPED(&*ipv6)) return ipv6->s6_addr[kMappedOffset] == kLoopbackNet;
    return IN6_IS_ADDR_LOOPBACK(&*ipv6);
}

}  // namespace multifd
