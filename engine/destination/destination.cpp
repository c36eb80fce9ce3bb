#include "multifd/destination.hpp"

#include "engine/destination/destination_session.hpp"
#include "engine/session/session_handle.hpp"
#include "engine/session/settings_check.hpp"

namespace multifd {

class Destination::Implementation : public SessionHandle<DestinationSession> {
  public:
    using SessionHandle::SessionHandle;
};

Destination::Destination(DestinationSettings settings, std::vector<DeviceEntry> devices, Host* host,
                         LogSink log) {
    check(settings, devices);
    const auto patience = settings.stall_timeout;
    implementation_ = std::make_unique<Implementation>(
        std::make_shared<DestinationSession>(std::move(settings), std::move(devices), host,
                                             std::move(log)),
        patience);
}

Destination::~Destination() = default;

Report Destination::run(Listener& listener) {
    return implementation_->run([&listener](DestinationSession& session) {
        return session.run(*listener.implementation_);
    });
}

CancelAnswer Destination::cancel() noexcept {
    return implementation_->cancel();
}

Statistics Destination::statistics() const {
    return implementation_->statistics();
}

}  // namespace multifd
