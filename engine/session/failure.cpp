#include "engine/session/failure.hpp"

#include <new>

#include "channels/wire/assert.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {

std::string explain(const Failure& failure) {
    if (failure.told_by_peer) return "the peer says: " + failure.detail;
    std::string text;
    if (failure.device) text += "device " + to_string(*failure.device) + ": ";
    if (failure.idx) text += "idx " + std::to_string(*failure.idx) + ": ";
    if (failure.channel) text += "channel " + std::to_string(failure.channel->value) + ": ";
    text += failure.detail.empty() ? failure.code.message() : failure.detail;
    return text;
}

std::string describe(const Failure& failure) {
    return std::string(error_name(failure.code)) + ": " + explain(failure);
}

std::string describe(const ErrorReport& error) {
    return error.code + ": " + error.message;
}

ErrorReport to_report(const Failure& failure, const std::string& peer) {
    ErrorReport report;
    report.code = error_name(failure.code);
    report.phase = failure.phase;
    if (failure.device) report.device = to_string(*failure.device);
    report.idx = failure.idx;
    if (failure.channel) report.channel = failure.channel->value;
    if (!peer.empty()) report.peer = peer;
    report.message = explain(failure);
    report.exit_code = static_cast<int>(exit_code_of(failure.code));
    return report;
}

PeerError to_peer_error(const Failure& failure) {
    PeerError error;
    error.code = error_name(failure.code);
    error.phase = failure.phase;
    if (failure.device) error.device = to_string(*failure.device);
    error.idx = failure.idx;
    if (failure.channel) error.channel = failure.channel->value;
    error.message = describe(failure);
    return error;
}

Failure failure_of(const PeerError& error) {
    const bool cancelled = error.code == error_name(Errc::cancelled);
    // The peer did what this end asked of it.
    const bool granted = error.code == error_name(Errc::cancelled_by_peer);
    Failure failure;
    failure.code = cancelled ? Errc::cancelled_by_peer
                   : granted ? Errc::cancelled
                             : Errc::peer_failed;
    failure.detail = error.message.empty() ? error.code : error.message;
    if (!error.device.empty()) failure.device = DeviceIdentity{error.device, 0};
    failure.idx = error.idx;
    if (error.channel && *error.channel < limits::kChannelsMax) {
        failure.channel = ChannelId{static_cast<std::uint8_t>(*error.channel)};
    }
    failure.told_by_peer = true;
    return failure;
}

Failure failure_of_abort(std::span<const std::byte> body) {
    if (const auto reason = decode_peer_error(body)) return failure_of(*reason);
    Failure failure{.code = Errc::peer_failed, .detail = "it aborted and did not say why"};
    failure.told_by_peer = true;
    return failure;
}

Failure failure_of(const std::exception_ptr& exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const std::bad_alloc&) {
        // No words of its own: there may be no memory for them. The code has a text.
        Failure failure;
        failure.code = Errc::memory_exhausted;
        return failure;
    } catch (const std::exception& thrown) {
        return {.code = Errc::internal_error, .detail = thrown.what()};
    } catch (...) {
        return {.code = Errc::internal_error,
                .detail = "something that is no std::exception was thrown"};
    }
}

bool is_symptom(const ErrorCode& code) noexcept {
    return code.category() != multifd_category() || code == Errc::peer_closed ||
           code == Errc::channel_closed_early || code == Errc::stream_truncated;
}

namespace {

// How much a cause explains: a channel's end less than the peer's, that less than anything else.
int weight_of(const ErrorCode& code) noexcept {
    if (code == Errc::peer_closed || code == Errc::stream_truncated) return 1;
    return is_symptom(code) ? 0 : 2;
}

}  // namespace

bool FirstFailure::set(Failure failure) {
    const std::scoped_lock lock(mutex_);
    // What interrupted a wait is no explanation of what broke it.
    const bool explains =
        weight_of(failure.code) > weight_of(failure_ ? failure_->code : failure.code) &&
        failure.code != Errc::cancelled;
    if (failure_ && (settled_ || !explains)) return false;
    failure_ = std::move(failure);
    failed_.store(true, std::memory_order_release);
    return true;
}

std::optional<Failure> FirstFailure::get() const {
    const std::scoped_lock lock(mutex_);
    return failure_;
}

void FirstFailure::settle() {
    const std::scoped_lock lock(mutex_);
    settled_ = true;
}

}  // namespace multifd
