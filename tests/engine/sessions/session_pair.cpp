#include "tests/engine/sessions/session_pair.hpp"

#include <chrono>

namespace multifd {
namespace {

using namespace std::chrono_literals;

template <class End>
bool await_status(const End& end, Status status) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (end.statistics().status != status) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

}  // namespace

SessionPair::SessionPair() {
    source_settings.state_dir = folder_ / "source";
    destination_settings.state_dir = folder_ / "destination";
    source_settings.on_unknown_owner = OnUnknownOwner::exit;
    destination_settings.on_unknown_owner = OnUnknownOwner::exit;
    source_settings.packet_size = 4096;
    destination_settings.max_queued_bytes = 64 * 4096;
    source_settings.stall_timeout = destination_settings.stall_timeout = 20s;
}

SessionPair::~SessionPair() {
    if (source_) (void)source_->cancel();
    if (destination_) (void)destination_->cancel();
    if (source_thread_.joinable()) source_thread_.join();
    if (destination_thread_.joinable()) destination_thread_.join();
}

void SessionPair::add_device(const std::string& idstr, ScriptedDevice::Script source,
                             ScriptedDevice::Script destination, MultifdProperty property) {
    source.name = "source/" + idstr;
    destination.name = "destination/" + idstr;
    source.journal = destination.journal = &journal;
    source_scripted_.push_back(std::make_shared<ScriptedDevice>(std::move(source)));
    destination_scripted_.push_back(std::make_shared<ScriptedDevice>(std::move(destination)));
    source_entries_.push_back({idstr, 0, property, source_scripted_.back()});
    destination_entries_.push_back({idstr, 0, property, destination_scripted_.back()});
}

void SessionPair::add_devices(const std::string& idstr, std::shared_ptr<Device> source,
                              std::shared_ptr<Device> destination) {
    source_entries_.push_back({idstr, 0, MultifdProperty::automatic, std::move(source)});
    destination_entries_.push_back({idstr, 0, MultifdProperty::automatic, std::move(destination)});
}

void SessionPair::start() {
    start_destination();
    start_source();
}

void SessionPair::start_destination() {
    if (listen_on.empty()) listen_on = {"unix:" + (folder_ / "socket")};
    ListenerSettings settings{.listen = listen_on.front()};
    settings.also_listen.assign(listen_on.begin() + 1, listen_on.end());
    listener_ = std::make_unique<Listener>(settings);
    destination_ =
        std::make_unique<Destination>(destination_settings, destination_entries_, destination_host);
    destination_thread_ =
        std::thread([this] { reports_.destination = destination_->run(*listener_); });
}

void SessionPair::start_source() {
    const auto addresses = listener_->addresses();
    source_settings.to = addresses.front();
    source_settings.also_to.insert(source_settings.also_to.begin(), addresses.begin() + 1,
                                   addresses.end());
    source_ = std::make_unique<Source>(source_settings, source_entries_, source_host);
    source_thread_ = std::thread([this] { reports_.source = source_->run(); });
}

SessionPair::Reports SessionPair::await() {
    source_thread_.join();
    // A source that failed before it connected leaves a destination that waits for another.
    if (destination_->statistics().status == Status::none) (void)destination_->cancel();
    destination_thread_.join();
    return reports_;
}

SessionPair::Reports SessionPair::run() {
    start();
    return await();
}

bool SessionPair::await_source_status(Status status) {
    return await_status(*source_, status);
}

bool SessionPair::await_destination_status(Status status) {
    return await_status(*destination_, status);
}

std::string SessionPair::record_folder(Role role) const {
    return folder_ / (role == Role::source ? "source" : "destination");
}

}  // namespace multifd
