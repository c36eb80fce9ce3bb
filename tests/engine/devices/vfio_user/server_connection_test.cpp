#include "engine/devices/vfio_user/server_connection.hpp"

#include <catch2/catch.hpp>
#include <future>

#include "channels/wire/big_endian.hpp"
#include "engine/devices/vfio_user/version.hpp"
#include "tests/engine/devices/vfio_user/scripted_server.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::vfio_user {
namespace {

using test::ScriptedServer;

constexpr std::chrono::seconds kHang{30};

ServerConnection::Patience soon() {
    return {Clock::now() + kHang, nullptr};
}

/// A reset, which has neither payload nor reply.
CallResult reset(ServerConnection& connection, const ServerConnection::Patience& patience) {
    return connection.request(Command::device_reset, {}, {}, {}, patience);
}

}  // namespace

TEST_CASE("a server that is not there is named", "[vfio_user]") {
    const TemporaryFolder folder;
    ServerConnection connection(folder / "nobody");
    const CallResult opened = connection.open(soon());
    CHECK(opened.error == std::errc::no_such_file_or_directory);
    CHECK(opened.detail.find(folder / "nobody") != std::string::npos);
    CHECK_FALSE(connection.is_open());
    CHECK(reset(connection, soon()).error == std::errc::not_connected);
}

TEST_CASE("what a server refuses has its errno, and the connection goes on", "[vfio_user]") {
    const TemporaryFolder folder;
    bool refuse = true;
    ScriptedServer server(folder / "s", [&](const Header& header, const Bytes&) {
        return std::exchange(refuse, false)
                   ? make_error_reply(header, std::errc::device_or_resource_busy)
                   : make_reply(header);
    });
    ServerConnection connection(folder / "s");
    REQUIRE(connection.open(soon()).ok());
    const CallResult refused = reset(connection, soon());
    CHECK(refused.error == std::errc::device_or_resource_busy);
    CHECK(refused.detail.find("refuses DEVICE_RESET") != std::string::npos);
    CHECK(reset(connection, soon()).ok());
}

TEST_CASE("a reply that no server may give ends the connection", "[vfio_user]") {
    struct Case {
        const char* name;
        Bytes (*reply)(Header);
    };
    const auto broken = GENERATE(values<Case>({
        {"another id", [](Header header) { return ++header.id, make_reply(header); }},
        {"another command",
         [](Header header) {
             header.command = Command::dma_map;
             return make_reply(header);
         }},
        {"no reply", [](Header header) { return make_command(header.id, header.command); }},
        {"oversize", [](Header header) { return make_reply(header, Bytes(10)); }},
        {"size 3",
         [](Header header) {
             header.size = 3;
             header.flags = Header::kTypeReply;
             const HeaderBytes head = encode(header);
             return Bytes(head.begin(), head.end());
         }},
        {"4 GiB",
         [](Header header) {
             header.size = UINT32_MAX;
             header.flags = Header::kTypeReply;
             const HeaderBytes head = encode(header);
             return Bytes(head.begin(), head.end());
         }},
    }));
    INFO(broken.name);
    const TemporaryFolder folder;
    ScriptedServer server(folder / "s",
                          [&](const Header& header, const Bytes&) { return broken.reply(header); });
    ServerConnection connection(folder / "s");
    REQUIRE(connection.open(soon()).ok());
    CHECK(reset(connection, soon()).error == std::errc::protocol_error);
    CHECK_FALSE(connection.is_open());
}

TEST_CASE("a reply that is too short, or ends early, ends the connection", "[vfio_user]") {
    const TemporaryFolder folder;
    const std::size_t given = GENERATE(0U, 7U);
    ScriptedServer server(folder / "s", [&](const Header& header, const Bytes&) {
        return make_reply(header, Bytes(given));
    });
    ServerConnection connection(folder / "s");
    REQUIRE(connection.open(soon()).ok());
    std::array<std::byte, 8> head{};
    CHECK(connection.request(Command::region_read, {}, {}, {head, {}}, soon()).error ==
          std::errc::protocol_error);
    CHECK_FALSE(connection.is_open());
}

TEST_CASE("a server that closes is noticed", "[vfio_user]") {
    const TemporaryFolder folder;
    ScriptedServer server(folder / "s", [](const Header&, const Bytes&) { return Bytes(); });
    ServerConnection connection(folder / "s");
    REQUIRE(connection.open(soon()).ok());
    const CallResult asked = reset(connection, soon());
    CHECK(asked.error == std::errc::protocol_error);
    CHECK(asked.detail.find("closed the connection") != std::string::npos);
}

TEST_CASE("payload and data leave in one message, and the reply fills both places", "[vfio_user]") {
    const TemporaryFolder folder;
    ScriptedServer server(folder / "s", [](const Header& header, const Bytes& payload) {
        return make_reply(header, payload);
    });
    ServerConnection connection(folder / "s");
    REQUIRE(connection.open(soon()).ok());
    Bytes data(200000);
    for (std::size_t at = 0; at < data.size(); ++at) data[at] = static_cast<std::byte>(at * 7);
    const Bytes payload{std::byte{1}, std::byte{2}};
    Bytes head(2);
    Bytes rest(300000);
    const CallResult answered =
        connection.request(Command::region_write, payload, data, {head, rest}, soon());
    CHECK(answered.value == 200002);
    CHECK(head == payload);
    rest.resize(200000);
    CHECK(rest == data);
}

TEST_CASE("an interrupt wakes a wait, and the next request finds its own reply", "[vfio_user]") {
    const TemporaryFolder folder;
    std::promise<void> asked;
    std::promise<void> go_on;
    auto released = go_on.get_future().share();
    bool first = true;
    ScriptedServer server(folder / "s", [&](const Header& header, const Bytes& payload) {
        if (std::exchange(first, false)) {
            asked.set_value();
            released.wait_for(kHang);
        }
        return make_reply(header, payload);
    });
    ServerConnection connection(folder / "s");
    REQUIRE(connection.open(soon()).ok());
    Interrupt interrupt;
    const Bytes old_payload(100000, std::byte{1});
    std::thread interrupter([&] {
        asked.get_future().wait_for(kHang);
        interrupt.raise();
    });
    Bytes reply(100000);
    const CallResult interrupted = connection.request(Command::region_read, old_payload, {},
                                                      {{}, reply}, {kNoDeadline, &interrupt});
    interrupter.join();
    CHECK(interrupted.error == std::errc::operation_canceled);
    CHECK(connection.is_open());

    // Still held up: a deadline ends that wait too.
    const CallResult late = reset(connection, {Clock::now() + std::chrono::milliseconds(20), {}});
    CHECK(late.error == std::errc::timed_out);
    go_on.set_value();
    const Bytes new_payload(50, std::byte{2});
    Bytes answer(50);
    CHECK(connection.request(Command::region_read, new_payload, {}, {answer, {}}, soon()).ok());
    CHECK(answer == new_payload);
}

TEST_CASE("a server's own cancel or time limit is not ours", "[vfio_user]") {
    const TemporaryFolder folder;
    const auto told = GENERATE(std::errc::operation_canceled, std::errc::timed_out);
    ScriptedServer server(folder / "s", [told](const Header& header, const Bytes&) {
        return make_error_reply(header, told);
    });
    ServerConnection connection(folder / "s");
    REQUIRE(connection.open(soon()).ok());
    const CallResult refused = reset(connection, soon());
    CHECK(refused.error == std::errc::io_error);
    CHECK(refused.detail.find(std::make_error_code(told).message()) != std::string::npos);
    CHECK(connection.is_open());
}

TEST_CASE("a request that is interrupted half sent is sent to its end by the next one",
          "[vfio_user]") {
    const TemporaryFolder folder;
    const ListeningSocket socket(test::path_address(folder / "s"));
    std::promise<void> go_on;
    std::vector<std::size_t> seen;
    std::thread server([&] {
        Connection client = test::accept_client(socket);
        const auto version = test::receive_message(client);
        if (!version || client.send(make_reply(version->header, encode(own_version())))) return;
        go_on.get_future().wait_for(kHang);
        while (const auto message = test::receive_message(client)) {
            seen.push_back(message->payload.size());
            if (client.send(make_reply(message->header))) return;
        }
    });
    {
        ServerConnection connection(folder / "s");
        REQUIRE(connection.open(soon()).ok());
        // More than a socket holds.
        const Bytes large(4'000'000);
        CHECK(connection
                  .request(Command::region_write, {}, large, {},
                           {Clock::now() + std::chrono::milliseconds(20), nullptr})
                  .error == std::errc::timed_out);
        go_on.set_value();
        CHECK(reset(connection, soon()).ok());
    }
    server.join();
    CHECK(seen == std::vector<std::size_t>{4'000'000, 0});
}

TEST_CASE("a version that does not suit is said", "[vfio_user]") {
    const TemporaryFolder folder;
    const ListeningSocket socket(test::path_address(folder / "s"));
    const std::string text = GENERATE(as<std::string>{}, "{\"capabilities\":", "[]", "");
    const std::uint16_t major = text.empty() ? 7 : 0;
    std::thread server([&] {
        Connection client = test::accept_client(socket);
        const auto version = test::receive_message(client);
        if (!version) return;
        Bytes payload;
        append_native(payload, major);
        append_native(payload, std::uint16_t{1});
        append_bytes(payload, bytes_of(text));
        if (!text.empty()) payload.push_back(std::byte{0});
        static_cast<void>(client.send(make_reply(version->header, payload)));
    });
    ServerConnection connection(folder / "s");
    const CallResult opened = connection.open(soon());
    server.join();
    CHECK(opened.error == std::errc::protocol_error);
    CHECK(opened.detail.find("VERSION") != std::string::npos);
    CHECK_FALSE(connection.is_open());
}

}  // namespace multifd::vfio_user
