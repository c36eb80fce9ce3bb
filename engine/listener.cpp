#include "multifd/listener.hpp"

#include <string>
#include <system_error>

#include "channels/transport/connection_listener.hpp"

namespace multifd {
namespace {

ConnectionListenerSettings listener_settings(const ListenerSettings& settings) {
    const auto address = parse_address(settings.listen);
    if (!address) {
        throw std::system_error(std::error_code(address.error()),
                                "'" + settings.listen + "' is neither tcp:HOST:PORT nor unix:PATH");
    }
    return {.address = *address,
            .qemu = settings.peer == Peer::qemu,
            .classify_timeout = settings.classify_timeout,
            .unclassified_max = settings.unclassified_max,
            .parked_max = settings.parked_max,
            .parked_timeout = settings.parked_timeout,
            .log_interval = std::chrono::seconds(1)};
}

ListenerLog refusal_log(LogSink log) {
    if (!log) return {};
    return
        [log = std::move(log)](const ErrorCode& error, std::string_view peer, std::uint64_t count) {
            const std::string from(peer);
            const std::string who = count == 1 ? "a connection from " + from + " was refused"
                                               : std::to_string(count) +
                                                     " more connections, the last from " + from +
                                                     ", were refused within a second";
            log({LogLevel::warning,
                 {},
                 "listener",
                 {},
                 std::string(error_name(error)) + ": " + who + ": " + error.message()});
        };
}

}  // namespace

Listener::Listener(const ListenerSettings& settings, LogSink log)
    : implementation_(std::make_unique<ConnectionListener>(listener_settings(settings),
                                                           refusal_log(std::move(log)))) {}

Listener::~Listener() = default;

std::string Listener::address() const {
    return to_string(implementation_->local_address());
}

void Listener::remove_file() noexcept {
    implementation_->remove_file();
}

}  // namespace multifd
