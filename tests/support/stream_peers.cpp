#include "tests/support/stream_peers.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "tests/support/main_channel_tracker.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

constexpr std::size_t kMessageHeadBytes = 4;
constexpr std::size_t kCommandHeadBytes = 5;

std::string hexadecimal(std::span<const std::byte> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const auto byte : bytes) {
        text += kDigits[std::to_integer<std::size_t>(byte >> 4)];
        text += kDigits[std::to_integer<std::size_t>(byte & std::byte{0xf})];
    }
    return text;
}

std::vector<std::byte> message(unsigned type, std::span<const std::byte> data) {
    // Not by insert(): g++ 12 sees an overflow in it at -O2 that is not there.
    std::vector<std::byte> bytes(kMessageHeadBytes + data.size());
    bytes[1] = static_cast<std::byte>(type);
    bytes[3] = static_cast<std::byte>(data.size());
    std::ranges::copy(data, bytes.begin() + kMessageHeadBytes);
    return bytes;
}

ReturnPath read_return_path(const Socket& main) {
    ReturnPath messages;
    MessageTracker tracker;
    std::array<std::byte, 4096> chunk{};
    while (const std::size_t size = main.receive(chunk)) {
        tracker.append(std::span(chunk).first(size));
        while (const auto record = tracker.next()) {
            const auto data = std::span(record->bytes).subspan(kMessageHeadBytes);
            messages.push_back(data.empty() ? record->name
                                            : record->name + " " + hexadecimal(data));
            if (record->name == "shut") return messages;
        }
    }
    return messages;
}

}  // namespace

ReturnPath send_as_qemu(const std::string& address, const std::vector<std::byte>& main,
                        const std::vector<std::vector<std::byte>>& channels) {
    const Socket main_socket = connect_on_loopback(address);
    std::list<Socket> sockets;
    std::vector<std::thread> senders;
    const auto send_all = [](const Socket& socket, const std::vector<std::byte>& bytes) {
        static_cast<void>(socket.send(bytes));  // A peer that refuses shows it on the return path.
    };
    for (const auto& bytes : channels) {
        const Socket& socket = sockets.emplace_back(connect_on_loopback(address));
        senders.emplace_back([&] { send_all(socket, bytes); });
    }
    senders.emplace_back([&] { send_all(main_socket, main); });
    ReturnPath messages = read_return_path(main_socket);
    main_socket.shut_down();
    for (const Socket& socket : sockets) socket.shut_down();
    for (std::thread& sender : senders) sender.join();
    return messages;
}

RecordingServer::RecordingServer(Manner manner)
    : manner_(manner), listener_(listen_on_loopback()), acceptor_([this] { accept_guests(); }) {}

RecordingServer::~RecordingServer() {
    listener_.shut_down();
    acceptor_.join();
    for (Guest& guest : guests_) guest.socket.shut_down();
    for (Guest& guest : guests_) {
        if (guest.thread.joinable()) guest.thread.join();
    }
}

void RecordingServer::accept_guests() {
    for (;;) {
        Socket socket(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
        if (socket.fd() < 0) return;
        const std::lock_guard lock(mutex_);
        Guest& guest = guests_.emplace_back(Guest{std::move(socket), {}, {}});
        guest.thread = std::thread([this, &guest] { serve(guest); });
    }
}

void RecordingServer::serve(Guest& guest) {
    constexpr std::array kGarbage{std::byte{0xde}, std::byte{0xad}, std::byte{0xbe},
                                  std::byte{0xef}, std::byte{0xff}, std::byte{0xff}};
    constexpr std::array<std::byte, 4> kNoError{};
    MainChannelTracker tracker;
    std::vector<std::byte> chunk(65536);
    while (const std::size_t size = guest.socket.receive(chunk)) {
        const auto bytes = std::span(chunk).first(size);
        guest.bytes.insert(guest.bytes.end(), bytes.begin(), bytes.end());
        if (manner_ == Manner::silent) continue;
        if (manner_ == Manner::garbage) {
            if (!guest.socket.send(kGarbage)) return;
            continue;
        }
        tracker.append(bytes);
        while (const auto record = tracker.next()) {
            std::vector<std::byte> answer;
            if (record->name == "command 2") {
                answer = message(2, std::span(record->bytes).subspan(kCommandHeadBytes));
            } else if (record->name == "eof" && manner_ == Manner::qemu) {
                answer = message(1, kNoError);
            }
            if (!guest.socket.send(answer)) return;
        }
    }
}

void RecordingServer::write_recording(const std::string& folder) {
    const std::lock_guard lock(mutex_);
    unsigned number = 0;
    for (Guest& guest : guests_) {
        guest.thread.join();
        write_bytes(folder + "/conn-" + std::to_string(number++) + "-src2dst.bin", guest.bytes);
    }
}

}  // namespace multifd
