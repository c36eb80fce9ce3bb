#include "multifd/source.hpp"

#include "engine/session/session_handle.hpp"
#include "engine/session/settings_check.hpp"
#include "engine/source/source_session.hpp"

namespace multifd {

class Source::Implementation : public SessionHandle<SourceSession> {
  public:
    using SessionHandle::SessionHandle;
};

Source::Source(SourceSettings settings, std::vector<DeviceEntry> devices, Host* host, LogSink log) {
    check(settings, devices);
    const auto patience = settings.stall_timeout;
    implementation_ = std::make_unique<Implementation>(
        std::make_shared<SourceSession>(std::move(settings), std::move(devices), host,
                                        std::move(log)),
        patience);
}

Source::~Source() = default;

Report Source::run() {
    return implementation_->run([](SourceSession& session) { return session.run(); });
}

CancelAnswer Source::cancel() noexcept {
    return implementation_->cancel();
}

Statistics Source::statistics() const {
    return implementation_->statistics();
}

}  // namespace multifd
