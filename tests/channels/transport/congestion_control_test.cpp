#include "channels/transport/congestion_control.hpp"

#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <system_error>

#include "channels/transport/connector.hpp"
#include "channels/transport/listening_socket.hpp"
#include "channels/transport/system_error.hpp"
#include "tests/channels/transport/sockets.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

// Built into every kernel, and everybody may use it.
constexpr const char* kAlways = "reno";

/// The algorithm the system gives by itself.
std::string system_choice() {
    const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
    return congestion_control_of(socket.get());
}

TEST_CASE("both ends of a connection have the congestion control they were given", "[connector]") {
    const auto* const host = GENERATE("tcp:127.0.0.1:0", "tcp:[::1]:0");
    const bool source_chooses = GENERATE(false, true);
    const bool destination_chooses = GENERATE(false, true);
    CAPTURE(host, source_chooses, destination_chooses);
    const ListeningSocket listening(*parse_address(host), destination_chooses ? kAlways : "");
    const auto connected = connect(NetworkPath{.to = listening.local_address(),
                                               .congestion_control = source_chooses ? kAlways : ""},
                                   soon(), nullptr);
    REQUIRE(connected.has_value());
    const auto accepted = listening.accept();
    REQUIRE(accepted.has_value());

    CHECK(congestion_control_of(connected->fd()) == (source_chooses ? kAlways : system_choice()));
    CHECK(congestion_control_of(accepted->socket.get()) ==
          (destination_chooses ? kAlways : system_choice()));
}

TEST_CASE("a congestion control that the kernel does not have is refused, never cut to one it has",
          "[connector]") {
    const auto* const name =
        GENERATE("no-such-thing", "reno-and-much-more-behind-it", "reno\x01", "renoooooooooooo");
    CAPTURE(name);
    CHECK(try_congestion_control(name) == system_error(ENOENT));
    CHECK_THROWS_AS(ListeningSocket(*parse_address("tcp:127.0.0.1:0"), name), std::system_error);
    const ListeningSocket listening(*parse_address("tcp:127.0.0.1:0"));
    CHECK(connect({.to = listening.local_address(), .congestion_control = name}, soon(), nullptr)
              .error() == system_error(ENOENT));
    CHECK(listening.accept().error() == system_error(EAGAIN));
    CHECK_FALSE(try_congestion_control(kAlways));
    CHECK_THAT(available_congestion_controls(), Catch::Contains(kAlways));
}

TEST_CASE("a UNIX socket has no congestion control, and takes any", "[connector]") {
    const TemporaryFolder folder;
    const auto address = *parse_address("unix:" + (folder / "socket"));
    const ListeningSocket listening(address, "no-such-thing");
    const auto connected =
        connect({.to = address, .congestion_control = "no-such-thing"}, soon(), nullptr);
    REQUIRE(connected.has_value());
    CHECK(congestion_control_of(connected->fd()).empty());
    CHECK(congestion_control_of(-1).empty());
}

}  // namespace
}  // namespace multifd
