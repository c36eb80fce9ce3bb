// Plain TCP sockets on 127.0.0.1, for peers that tests play themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace multifd {

/// Ownership: closes its descriptor.
class Socket {
  public:
    explicit Socket(int fd) noexcept : fd_(fd) {}
    ~Socket();
    Socket(Socket&& other) noexcept;
    Socket& operator=(Socket&&) = delete;

    [[nodiscard]] int fd() const noexcept { return fd_; }
    /// All of it; false when the connection is over.
    [[nodiscard]] bool send(std::span<const std::byte> bytes) const;
    /// 0 when the connection is over, however that came.
    [[nodiscard]] std::size_t receive(std::span<std::byte> target) const;
    /// Fills it; false when the connection is over before.
    [[nodiscard]] bool receive_full(std::span<std::byte> target) const;
    /// From any thread: wakes whoever waits in the calls above.
    void shut_down() const noexcept;

  private:
    int fd_;
};

/// Throws std::system_error.
Socket listen_on_loopback();
/// "tcp:127.0.0.1:40123".
std::string address_of(const Socket& listener);
/// To an address of that form, or with another host: only its port counts. The descriptor is -1
/// when nobody listens there.
Socket connect_on_loopback(const std::string& address);

}  // namespace multifd
