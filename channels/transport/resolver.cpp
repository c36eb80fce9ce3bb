#include "channels/transport/resolver.hpp"

#include <poll.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "channels/memory/guarded.hpp"
#include "channels/transport/quiet_thread.hpp"
#include "channels/transport/readiness.hpp"
#include "channels/transport/system_error.hpp"

namespace multifd {
namespace {

namespace asio = boost::asio;
using Resolved = Result<std::vector<SocketAddress>>;

SocketAddress socket_address_of(const asio::ip::tcp::endpoint& endpoint) {
    SocketAddress result;
    result.length = static_cast<socklen_t>(endpoint.size());
    std::memcpy(&result.storage, endpoint.data(), endpoint.size());
    return result;
}

/// What the caller and a lookup's thread share; the last of them destroys it.
struct Lookup {
    Interrupt done;
    Guarded<Resolved> answer{ErrorCode(Errc::connect_failed)};
};

void look_up(Lookup& lookup, const std::string& host, std::uint16_t port) noexcept {
    Resolved found = ErrorCode(Errc::memory_exhausted);
    try {
        found = resolve(host, port);
    } catch (const std::bad_alloc&) {
        // Said by what `found` is from the start.
    }
    lookup.answer.with([&](Resolved& answer) { answer = std::move(found); });
    lookup.done.raise();
}

}  // namespace

Result<SocketAddress> numeric_address(const std::string& host, std::uint16_t port) {
    ErrorCode error;
    const auto numeric = asio::ip::make_address(host, error);
    if (error) return ErrorCode(Errc::address_invalid);
    return socket_address_of({numeric, port});
}

Resolved resolve(const std::string& host, std::uint16_t port) {
    if (const auto numeric = numeric_address(host, port)) return std::vector{*numeric};
    ErrorCode error;
    asio::io_context context;
    asio::ip::tcp::resolver resolver(context);
    const auto found = resolver.resolve(host, std::to_string(port),
                                        asio::ip::tcp::resolver::numeric_service, error);
    if (error) return error;
    std::vector<SocketAddress> addresses;
    for (const auto& entry : found) addresses.push_back(socket_address_of(entry.endpoint()));
    if (addresses.empty()) return ErrorCode(Errc::connect_failed);
    return addresses;
}

Resolved resolve(const std::string& host, std::uint16_t port, Deadline deadline,
                 const Interrupt* interrupt) {
    if (const auto numeric = numeric_address(host, port)) return std::vector{*numeric};
    try {
        const auto lookup = std::make_shared<Lookup>();
        start_quiet_thread("multifd-resolve", [lookup, host, port] {
            look_up(*lookup, host, port);
        }).detach();
        const ErrorCode error = wait_until_ready(lookup->done.fd(), POLLIN, deadline, interrupt);
        if (error) return error;
        return lookup->answer.with([](Resolved& answer) { return std::move(answer); });
    } catch (const std::system_error& no_thread) {
        return system_error(no_thread.code().value());
    }
}

}  // namespace multifd
