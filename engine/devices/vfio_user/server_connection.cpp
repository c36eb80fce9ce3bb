#include "engine/devices/vfio_user/server_connection.hpp"

#include <algorithm>
#include <array>

#include "channels/transport/connector.hpp"
#include "engine/devices/vfio_user/version.hpp"

namespace multifd::vfio_user {
namespace {

/// A server's own capabilities and their text have room in it.
constexpr std::size_t kVersionBytesMax = 16384;
constexpr std::size_t kVersionHeadBytes = 4;
constexpr std::size_t kDropBytes = 4096;

}  // namespace

CallResult ServerConnection::open(const Patience& patience) {
    Address address;
    address.family = Address::Family::unix_path;
    address.path = path_;
    auto connected = connect(address, patience.deadline, patience.interrupt);
    if (!connected) return stopped(connected.error(), "connecting to");
    connection_ = std::move(*connected);
    sent_ = 0;
    message_.clear();
    awaits_reply_ = false;
    payload_left_ = 0;
    CallResult negotiated = negotiate(patience);
    if (!negotiated.ok()) close();
    return negotiated;
}

CallResult ServerConnection::negotiate(const Patience& patience) {
    Bytes reply(kVersionBytesMax);
    const std::span<std::byte> place(reply);
    CallResult answered =
        request(Command::version, encode(own_version()), {},
                {place.first(kVersionHeadBytes), place.subspan(kVersionHeadBytes)}, patience);
    if (!answered.ok()) return answered;
    const auto version = decode_version(place.first(static_cast<std::size_t>(answered.value)));
    if (!version.has_value()) return broken(version.error().what);
    transfer_bytes_ = vfio_user::transfer_bytes(*version);
    return CallResult::success();
}

CallResult ServerConnection::request(Command command, ConstBytes payload, ConstBytes data,
                                     ReplyPlace place, const Patience& patience) {
    if (!is_open()) {
        return CallResult::failure(std::errc::not_connected,
                                   "there is no connection to the server at " + path_);
    }
    CallResult settled = settle(patience);
    if (!settled.ok()) return settled;
    Header header;
    header.id = ++last_id_;
    header.command = command;
    header.size = static_cast<std::uint32_t>(kHeaderBytes + payload.size() + data.size());
    const HeaderBytes head = encode(header);
    message_.assign(head.begin(), head.end());
    message_.insert(message_.end(), payload.begin(), payload.end());
    message_.insert(message_.end(), data.begin(), data.end());
    sent_ = 0;
    awaits_reply_ = true;
    header_got_ = 0;

    CallResult done = send_rest(patience);
    if (!done.ok()) return done;
    const std::size_t most = place.head.size() + place.data.size();
    done = receive_header(patience, most);
    if (!done.ok()) return done;
    if (header_.id != last_id_ || header_.command != command) {
        return broken("a reply to another request than " + name_of(command));
    }
    if (header_.failed()) return refused(patience);
    if (payload_left_ < place.head.size()) {
        return broken(name_of(command) + ": a reply of only " + std::to_string(header_.size) +
                      " bytes");
    }
    const std::uint64_t length = payload_left_;
    done = receive(place.head, patience, &payload_left_);
    if (done.ok()) done = receive(place.data.first(payload_left_), patience, &payload_left_);
    return done.ok() ? CallResult::success(length) : done;
}

// An exchange that a wait was taken out of: its request and reply go through to their ends.
CallResult ServerConnection::settle(const Patience& patience) {
    if (awaits_reply_) {
        CallResult done = send_rest(patience);
        if (done.ok()) done = receive_header(patience, kMessageBytesMax - kHeaderBytes);
        if (!done.ok()) return done;
    }
    return drop_reply(patience);
}

CallResult ServerConnection::send_rest(const Patience& patience) {
    if (sent_ == message_.size()) return CallResult::success();
    std::size_t count = 0;
    const auto error = connection_.send(std::span(message_).subspan(sent_), patience.deadline,
                                        patience.interrupt, &count);
    sent_ += count;
    return error ? stopped(error, "sending to") : CallResult::success();
}

CallResult ServerConnection::receive_header(const Patience& patience, std::size_t payload_max) {
    std::size_t left = kHeaderBytes - header_got_;
    CallResult done = receive(std::span(header_bytes_).subspan(header_got_), patience, &left);
    header_got_ = kHeaderBytes - left;
    if (!done.ok()) return done;
    header_ = decode_header(header_bytes_);
    if (auto refusal = check(header_, Header::kTypeReply, kHeaderBytes + payload_max)) {
        return broken(std::move(refusal->what));
    }
    awaits_reply_ = false;
    payload_left_ = header_.payload_bytes();
    return CallResult::success();
}

// `*left` goes down by what has come, also when it is not all.
CallResult ServerConnection::receive(std::span<std::byte> target, const Patience& patience,
                                     std::size_t* left) {
    while (!target.empty()) {
        const auto got = connection_.receive_some(target, patience.deadline, patience.interrupt);
        if (!got) return stopped(got.error(), "waiting for");
        if (*got == 0) return broken("it has closed the connection");
        *left -= *got;
        target = target.subspan(*got);
    }
    return CallResult::success();
}

CallResult ServerConnection::drop_reply(const Patience& patience) {
    std::array<std::byte, kDropBytes> dropped;
    while (payload_left_ > 0) {
        const auto piece = std::span(dropped).first(std::min(payload_left_, dropped.size()));
        CallResult done = receive(piece, patience, &payload_left_);
        if (!done.ok()) return done;
    }
    return CallResult::success();
}

CallResult ServerConnection::refused(const Patience& patience) {
    const Header answer = header_;
    CallResult dropped = drop_reply(patience);
    if (!dropped.ok()) return dropped;
    const int number = answer.error != 0 && answer.error <= 4095
                           ? static_cast<int>(answer.error)
                           : static_cast<int>(std::errc::io_error);
    const std::error_code code(number, std::generic_category());
    // These are said of waits here, and nowhere else.
    const bool ours = code == std::errc::operation_canceled || code == std::errc::timed_out;
    const std::error_code told = ours ? std::make_error_code(std::errc::io_error) : code;
    return CallResult::failure(told, "the server at " + path_ + " refuses " +
                                         name_of(answer.command) + ": " + code.message());
}

CallResult ServerConnection::stopped(const ErrorCode& error, const char* doing) {
    const std::string where = std::string(doing) + " the server at " + path_;
    if (error == Errc::cancelled) {
        return CallResult::failure(std::errc::operation_canceled, where + " was interrupted");
    }
    if (error == Errc::phase_timeout || error == Errc::connect_timeout) {
        return CallResult::failure(std::errc::timed_out, where + " took too long");
    }
    close();
    return CallResult::failure(static_cast<std::error_code>(error),
                               where + " failed: " + error.message());
}

CallResult ServerConnection::broken(std::string what) {
    close();
    return CallResult::failure(std::errc::protocol_error,
                               "the server at " + path_ + ": " + std::move(what));
}

}  // namespace multifd::vfio_user
