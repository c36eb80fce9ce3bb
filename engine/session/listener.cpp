#include "multifd/listener.hpp"

#include <string>
#include <system_error>

#include "channels/transport/connection_listener.hpp"
#include "engine/session/settings_check.hpp"

namespace multifd {
namespace {

Address address_to_listen_on(const std::string& text) {
    const auto address = parse_address(text);
    if (address) return *address;
    // As a socket that cannot be listened on says it: the address first.
    throw std::system_error(std::error_code(address.error()), text);
}

ConnectionListenerSettings listener_settings(const ListenerSettings& settings) {
    check(settings);
    std::vector<Address> also;
    for (const auto& text : settings.also_listen) also.push_back(address_to_listen_on(text));
    return {.address = address_to_listen_on(settings.listen),
            .also = std::move(also),
            .qemu = settings.peer == Peer::qemu,
            .classify_timeout = settings.classify_timeout,
            .unclassified_max = settings.unclassified_max,
            .parked_max = settings.parked_max,
            .parked_timeout = settings.parked_timeout,
            .log_interval = std::chrono::seconds(1),
            .congestion_control = settings.congestion_control};
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

std::vector<std::string> Listener::addresses() const {
    std::vector<std::string> texts;
    for (const auto& address : implementation_->local_addresses()) {
        texts.push_back(to_string(address));
    }
    return texts;
}

}  // namespace multifd
