#include "channels/transport/newcomer.hpp"

#include <sys/socket.h>

#include <span>

#include "channels/transport/system_error.hpp"

namespace multifd {
namespace {

constexpr std::size_t kPrefixBytes = 4;

}  // namespace

Result<Newcomer::Progress> Newcomer::read(int fd) {
    if (!kind_) {
        const auto progress = look_at_prefix(fd);
        if (!progress || *progress != Progress::known) return progress;
    }
    if (*kind_ == ConnectionKind::main_channel) return Progress::known;
    return take_init(fd);
}

Result<Newcomer::Progress> Newcomer::look_at_prefix(int fd) {
    const auto seen = ::recv(fd, bytes_.data(), kPrefixBytes, MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return Progress::needs_bytes;
    if (seen < 0) return last_system_error();
    if (seen == 0) return ErrorCode(Errc::channel_closed_early);
    if (static_cast<std::size_t>(seen) < kPrefixBytes) return Progress::needs_prefix;
    const auto kind = classify(std::span(bytes_).first<kPrefixBytes>());
    if (!kind) return kind.error();
    kind_ = *kind;
    return Progress::known;
}

Result<Newcomer::Progress> Newcomer::take_init(int fd) {
    while (taken_ < bytes_.size()) {
        const auto rest = std::span(bytes_).subspan(taken_);
        const auto count = ::recv(fd, rest.data(), rest.size(), MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return Progress::needs_bytes;
        if (count < 0) return last_system_error();
        if (count == 0) return ErrorCode(Errc::channel_closed_early);
        taken_ += static_cast<std::size_t>(count);
    }
    const auto init = decode_channel_init(bytes_);
    if (!init) return init.error();
    init_ = *init;
    return Progress::known;
}

}  // namespace multifd
