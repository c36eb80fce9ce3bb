#include "engine/cli/tune/circumstances.hpp"

#include <sys/utsname.h>
#include <time.h>

#include <array>
#include <fstream>
#include <utility>

#include "channels/transport/address.hpp"
#include "engine/paths/machine_topology.hpp"

namespace multifd::tuning {
namespace {

std::string utc_now() {
    const ::time_t now = ::time(nullptr);
    ::tm parts{};
    std::array<char, 32> text{};
    if (::gmtime_r(&now, &parts) == nullptr) return "";
    const std::size_t length = ::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), length};
}

std::string first_line(const char* path) {
    std::ifstream stream(path);
    std::string line;
    std::getline(stream, line);
    return line;
}

std::string processor_name() {
    std::ifstream stream("/proc/cpuinfo");
    for (std::string line; std::getline(stream, line);) {
        if (!line.starts_with("model name")) continue;
        const std::size_t colon = line.find(": ");
        return colon == std::string::npos ? "" : line.substr(colon + 2);
    }
    return "";
}

std::uint64_t available_memory() {
    std::ifstream stream("/proc/meminfo");
    for (std::string name, unit; stream >> name;) {
        std::uint64_t kibibytes = 0;
        if (!(stream >> kibibytes)) return 0;
        std::getline(stream, unit);
        if (name == "MemAvailable:") return kibibytes * 1024;
    }
    return 0;
}

}  // namespace

bool both_ends_here(const Circumstances& circumstances) {
    if (circumstances.to.empty()) return true;
    const auto address = parse_address(circumstances.to);
    return address && is_loopback(*address);
}

Circumstances circumstances_now(std::string to) {
    Circumstances now;
    now.started_at = utc_now();
    utsname system{};
    if (::uname(&system) == 0) {
        now.host = &system.nodename[0];
        now.kernel = &system.release[0];
    }
    now.processor = processor_name();
    now.cores = allowed_processors();
    now.memory_available = available_memory();
    now.congestion_control = first_line("/proc/sys/net/ipv4/tcp_congestion_control");
    now.to = std::move(to);
    return now;
}

}  // namespace multifd::tuning
