#include "multifd/host.hpp"

namespace multifd {

CallResult Host::before_switchover(std::stop_token) {
    return CallResult::success();
}
CallResult Host::pause(std::stop_token) {
    return CallResult::success();
}
CallResult Host::about_to_commit(std::stop_token) {
    return CallResult::success();
}
CallResult Host::resume(std::stop_token) {
    return CallResult::success();
}
CallResult Host::save(SavePoint, SectionWriter&, std::stop_token) {
    return CallResult::success();
}
std::uint64_t Host::pending_bytes() {
    return 0;
}
CallResult Host::start(std::stop_token) {
    return CallResult::success();
}

CallResult Host::load(std::string_view name, std::span<const std::byte>, std::stop_token) {
    return CallResult::failure(
        std::errc::not_supported,
        "this host takes no sections, and one named '" + std::string(name) + "' arrived");
}

}  // namespace multifd
