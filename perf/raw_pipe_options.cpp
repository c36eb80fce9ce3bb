#include "perf/raw_pipe_options.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace raw_pipe {
namespace {

constexpr std::size_t kConnectionsMax = 1024;

std::size_t number(std::string_view text) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    // What follows multiplies it by at most a MiB.
    if (whole && value > 0 && value < (std::size_t{1} << 40U)) return value;
    throw std::invalid_argument(std::string(text) + " is no number above 0");
}

/// Whether the value is the first of two words; it must be one of them.
bool first_of(std::string_view value, std::string_view first, std::string_view second) {
    if (value == first || value == second) return value == first;
    throw std::invalid_argument(std::string(value) + " is neither " + std::string(first) + " nor " +
                                std::string(second));
}

void set_option(Options& options, std::string_view name, std::string_view value) {
    if (name == "--variant") {
        options.buffered = first_of(value, "buffered", "direct");
    } else if (name == "--hash") {
        options.hash = first_of(value, "on", "off");
    } else if (name == "--huge-pages") {
        options.huge_pages = first_of(value, "on", "off");
    } else if (name == "--reuse") {
        options.reuse = first_of(value, "on", "off");
    } else if (name == "--verify") {
        options.verify = first_of(value, "on", "off");
    } else if (name == "--size") {
        options.bytes = number(value) * 1024 * 1024;
    } else if (name == "--piece") {
        options.piece_bytes = number(value) * 1024;
    } else if (name == "--connections") {
        options.connections = number(value);
    } else if (name == "--congestion-control") {
        options.congestion_control = value;
    } else {
        throw std::invalid_argument("no such option: " + std::string(name));
    }
}

}  // namespace

Options parse(std::span<char*> words) {
    Options options;
    if (words.size() % 2 != 0) throw std::invalid_argument("each option has one value");
    for (std::size_t i = 0; i < words.size(); i += 2) set_option(options, words[i], words[i + 1]);
    if (kHashedBytes % options.piece_bytes != 0) {
        throw std::invalid_argument("--piece divides 1024");
    }
    if (options.reuse && options.verify) {
        throw std::invalid_argument("--reuse leaves nothing in memory to verify");
    }
    if (options.connections > kConnectionsMax ||
        options.bytes / kHashedBytes < options.connections) {
        throw std::invalid_argument("--connections: at most 1024, and a MiB for each");
    }
    return options;
}

}  // namespace raw_pipe
