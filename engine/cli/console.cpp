#include "engine/cli/console.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "engine/cli/printable_text.hpp"

namespace multifd {
namespace {

constexpr std::string_view kEraseLine = "\r\x1b[2K";
constexpr std::string_view kResetColor = "\x1b[0m";

/// How long a line waits for a reader that is behind before it is dropped.
constexpr int kReaderPatienceMs = 200;

/// No more than this goes into one write: what a pipe that is ready takes without blocking.
constexpr std::size_t kWriteBytesMax = PIPE_BUF;

bool is_ready(int descriptor, int timeout_ms) noexcept {
    pollfd entry{descriptor, POLLOUT, 0};
    // A descriptor that has failed is ready too: the write says so at once.
    return ::poll(&entry, 1, timeout_ms) > 0;
}

std::string_view color_of(Console::Style style) {
    switch (style) {
        case Console::Style::plain:
            return {};
        case Console::Style::warning:
            return "\x1b[33m";
        case Console::Style::error:
            return "\x1b[31m";
    }
    return {};
}

}  // namespace

Console::Traits Console::describe(int descriptor) {
    const char* no_color = std::getenv("NO_COLOR");
    const char* kind = std::getenv("TERM");
    const bool terminal =
        ::isatty(descriptor) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
    return {terminal, terminal && (no_color == nullptr || *no_color == '\0')};
}

Console::Console(int descriptor) : Console(descriptor, describe(descriptor)) {}

Console::Console(int descriptor, Traits traits) : descriptor_(descriptor), traits_(traits) {}

Console::~Console() {
    clear_live();
}

void Console::print_line(std::string_view text, Style style) {
    const std::string_view color = traits_.color ? color_of(style) : std::string_view{};
    const std::lock_guard lock(mutex_);
    std::string bytes;
    if (!live_.empty()) bytes += kEraseLine;
    bytes += color;
    bytes += printable(text);
    if (!color.empty()) bytes += kResetColor;
    bytes += '\n';
    bytes += live_;
    write_all(bytes);
}

void Console::show_live(std::string_view text) {
    if (!traits_.terminal) return;
    // One column stays free: a full line would wrap on some terminals.
    const std::string line = printable(text.substr(0, width() - 1));
    const std::lock_guard lock(mutex_);
    if (line == live_) return;
    live_ = line;
    write_all(std::string(kEraseLine) + live_);
}

void Console::clear_live() {
    const std::lock_guard lock(mutex_);
    if (live_.empty()) return;
    live_.clear();
    write_all(kEraseLine);
}

std::size_t Console::width() const noexcept {
    winsize size{};
    if (::ioctl(descriptor_, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return 80;
    return size.ws_col;
}

void Console::write_all(std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        // Only the first of the lines that nobody reads costs time.
        blocked_ = !is_ready(descriptor_, blocked_ ? 0 : kReaderPatienceMs);
        if (blocked_) return;
        const ssize_t written =
            ::write(descriptor_, bytes.data(), std::min(bytes.size(), kWriteBytesMax));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace multifd
