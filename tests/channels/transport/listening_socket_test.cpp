#include "channels/transport/listening_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "channels/transport/connector.hpp"
#include "tests/channels/transport/full_listener.hpp"
#include "tests/channels/transport/sockets.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

std::error_code failure_of(const Address& address) {
    try {
        const ListeningSocket listening(address);
    } catch (const std::system_error& error) {
        CHECK(std::string(error.what()).find(to_string(address)) != std::string::npos);
        return error.code();
    }
    return {};
}

TEST_CASE("port 0 picks a free port and says which", "[listening]") {
    const auto host = GENERATE(values<std::string>({"127.0.0.1", "::1", ""}));
    Address address;
    address.host = host;
    const ListeningSocket first(address);
    const ListeningSocket second(address);
    CHECK(first.local_address().port != 0);
    CHECK(first.local_address().port != second.local_address().port);
    CHECK(parse_address(to_string(first.local_address())).value() == first.local_address());
    CHECK((::fcntl(first.fd(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a port that is taken is address_in_use; once free it can be had at once",
          "[listening]") {
    Address address;
    address.host = "127.0.0.1";
    auto first = std::make_unique<ListeningSocket>(address);
    address = first->local_address();
    CHECK(failure_of(address) == std::errc::address_in_use);
    // A connection that this end closes first leaves the port in TIME_WAIT.
    auto client = connect(address, soon(), nullptr);
    REQUIRE(client.has_value());
    first->accept().value().socket.close();
    first.reset();
    CHECK_FALSE(failure_of(address));
}

TEST_CASE("who has connected and is not accepted yet is seen", "[listening]") {
    Address address;
    address.host = "127.0.0.1";
    const ListeningSocket listening(address);
    CHECK_FALSE(listening.is_due());
    const auto client = connect(listening.local_address(), soon(), nullptr);
    REQUIRE(client.has_value());
    CHECK(eventually([&] { return listening.is_due(); }));
    REQUIRE(listening.accept().has_value());
    CHECK_FALSE(listening.is_due());
}

TEST_CASE("an address that is not ours, or no address, fails with its cause", "[listening]") {
    // 192.0.2.0/24 is reserved for documentation.
    CHECK(failure_of(*parse_address("tcp:192.0.2.1:0")) == std::errc::address_not_available);
    CHECK(failure_of(*parse_address("tcp:" + std::string(64, 'x') + ":0")));
    CHECK(failure_of(*parse_address("unix:/nowhere/at/all")) ==
          std::errc::no_such_file_or_directory);
    CHECK(failure_of(*parse_address("unix:/" + std::string(200, 'x'))) ==
          std::errc::filename_too_long);
}

TEST_CASE("the longest path that fits can be listened on and connected to", "[listening]") {
    const TemporaryFolder folder;
    const std::string start = folder / "";
    const auto fill = [&](std::size_t size) {
        return start + std::string(size - start.size(), 'x');
    };
    const Address longest{Address::Family::unix_path, {}, 0, fill(107)};
    const ListeningSocket listening(longest);
    CHECK(connect(longest, soon(), nullptr).has_value());
    CHECK(failure_of({Address::Family::unix_path, {}, 0, fill(108)}) ==
          std::errc::filename_too_long);
}

TEST_CASE("a socket file goes with its listener", "[listening]") {
    const TemporaryFolder folder;
    const Address address = *parse_address("unix:" + (folder / "socket"));
    {
        const ListeningSocket listening(address);
        CHECK(std::filesystem::exists(address.path));
        CHECK(listening.local_address() == address);
    }
    CHECK_FALSE(std::filesystem::exists(address.path));
}

TEST_CASE("a dead listener's socket file is replaced, a live one's is not", "[listening]") {
    const TemporaryFolder folder;
    const Address address = *parse_address("unix:" + (folder / "socket"));
    {
        // As a killed process leaves it.
        auto dead = std::make_unique<ListeningSocket>(address);
        std::filesystem::rename(address.path, folder / "kept");
        dead.reset();
        std::filesystem::rename(folder / "kept", address.path);
    }
    const ListeningSocket live(address);
    CHECK(failure_of(address) == std::errc::address_in_use);
    CHECK(connect(address, soon(), nullptr).has_value());
}

TEST_CASE("a live listener whose backlog is full is not taken for a dead one", "[listening]") {
    const TemporaryFolder folder;
    const FullListener full(folder / "socket");
    REQUIRE_FALSE(full.waiting.empty());
    CHECK(failure_of(full.listening.local_address()) == std::errc::address_in_use);
    CHECK(std::filesystem::exists(folder / "socket"));
}

TEST_CASE("a file that is no socket is left alone", "[listening]") {
    const TemporaryFolder folder;
    const Address address = *parse_address("unix:" + (folder / "precious"));
    write_text(address.path, "precious");
    CHECK(failure_of(address) == std::errc::address_in_use);
    CHECK(read_text(address.path) == "precious");
}

TEST_CASE("a listener whose file another has replaced leaves that file alone", "[listening]") {
    const TemporaryFolder folder;
    const Address address = *parse_address("unix:" + (folder / "socket"));
    auto first = std::make_unique<ListeningSocket>(address);
    std::filesystem::remove(address.path);
    const ListeningSocket second(address);
    first.reset();
    CHECK(connect(address, soon(), nullptr).has_value());
}

}  // namespace
}  // namespace multifd
