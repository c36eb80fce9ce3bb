#include "engine/paths/cpu_list.hpp"

#include <algorithm>
#include <charconv>

namespace multifd {
namespace {

// The kernel's own largest configuration.
constexpr unsigned kCpuMax = 8191;

std::optional<unsigned> parse_cpu(std::string_view text) {
    unsigned cpu = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, cpu);
    if (text.empty() || stopped != end || error != std::errc{} || cpu > kCpuMax) {
        return std::nullopt;
    }
    return cpu;
}

bool append_range(std::string_view text, std::vector<unsigned>& cpus) {
    const auto dash = text.find('-');
    const auto first = parse_cpu(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_cpu(text.substr(dash + 1));
    if (!first || !last || *last < *first) return false;
    for (unsigned cpu = *first; cpu <= *last; ++cpu) {
        if (std::ranges::find(cpus, cpu) != cpus.end()) return false;
        cpus.push_back(cpu);
    }
    return true;
}

}  // namespace

std::optional<std::vector<unsigned>> parse_cpu_list(std::string_view text) {
    std::vector<unsigned> cpus;
    for (;;) {
        const auto comma = text.find(',');
        if (!append_range(text.substr(0, comma), cpus)) return std::nullopt;
        if (comma == std::string_view::npos) return cpus;
        text.remove_prefix(comma + 1);
    }
}

std::string format_cpu_list(const std::vector<unsigned>& cpus) {
    std::string text;
    for (std::size_t i = 0; i < cpus.size();) {
        std::size_t last = i;
        while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
        if (!text.empty()) text += ',';
        text += std::to_string(cpus[i]);
        if (last > i) text += "-" + std::to_string(cpus[last]);
        i = last + 1;
    }
    return text;
}

}  // namespace multifd
