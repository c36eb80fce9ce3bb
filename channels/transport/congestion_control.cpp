#include "channels/transport/congestion_control.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <fstream>

#include "channels/transport/descriptor.hpp"
#include "channels/transport/system_error.hpp"

namespace multifd {
namespace {

constexpr std::size_t kNameBytes = 16;  // The kernel's TCP_CA_NAME_MAX, its NUL included.

bool is_unix_socket(int fd) noexcept {
    int domain = 0;
    socklen_t size = sizeof domain;
    return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

}  // namespace

ErrorCode set_congestion_control(int fd, const std::string& name) noexcept {
    if (name.empty() || is_unix_socket(fd)) return {};
    // The kernel would cut a longer name, and might find another algorithm by what is left.
    if (name.size() >= kNameBytes) return system_error(ENOENT);
    const auto length = static_cast<socklen_t>(name.size());
    if (::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), length) == 0) return {};
    return last_system_error();
}

ErrorCode try_congestion_control(const std::string& name) noexcept {
    if (name.empty()) return {};
    // A host may lack one of the two families.
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, /*protocol=*/0));
    if (!socket.is_open()) {
        socket = Descriptor(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, /*protocol=*/0));
    }
    if (!socket.is_open()) return last_system_error();
    return set_congestion_control(socket.get(), name);
}

std::string congestion_control_of(int fd) {
    std::array<char, kNameBytes> name{};
    auto length = static_cast<socklen_t>(name.size());
    if (is_unix_socket(fd)) return {};
    if (::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &length) != 0) return {};
    return {name.data(), ::strnlen(name.data(), name.size())};
}

std::string available_congestion_controls() {
    std::ifstream file("/proc/sys/net/ipv4/tcp_available_congestion_control");
    std::string names;
    std::getline(file, names);
    return names;
}

}  // namespace multifd
