#include "perf/socket_ways.hpp"

#include <time.h>  // Before the next one, which uses it.

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "perf/socket_ring.hpp"

namespace socket_trials {
namespace {

using Asio = boost::asio::ip::tcp;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

std::span<std::byte> header() {
    static std::array<std::byte, kHeaderBytes> bytes{};
    return bytes;
}

std::span<std::byte> place_of(const Load& load, std::size_t packet) {
    const auto places = load.memory.size() / load.packet_bytes;
    return load.memory.subspan(packet % places * load.packet_bytes, load.packet_bytes);
}

iovec vector_of(std::span<std::byte> bytes) {
    return {bytes.data(), bytes.size()};
}

/// Headers and payloads of `load.batch` packets, as one message.
class Message {
  public:
    Message(const Load& load, std::size_t packet) {
        for (std::size_t i = 0; i < load.batch; ++i) {
            parts_.push_back(vector_of(header()));
            parts_.push_back(vector_of(place_of(load, packet + i)));
        }
        message_.msg_iov = parts_.data();
        message_.msg_iovlen = parts_.size();
    }
    [[nodiscard]] bool empty() const { return message_.msg_iovlen == 0; }
    [[nodiscard]] msghdr* get() { return &message_; }
    void drop(std::size_t bytes) {
        while (!empty() && bytes >= message_.msg_iov->iov_len) {
            bytes -= message_.msg_iov->iov_len;
            ++message_.msg_iov;
            --message_.msg_iovlen;
        }
        if (empty()) return;
        message_.msg_iov->iov_base = static_cast<std::byte*>(message_.msg_iov->iov_base) + bytes;
        message_.msg_iov->iov_len -= bytes;
    }

  private:
    std::vector<iovec> parts_;
    msghdr message_{};
};

void send_blocking(int socket, const Load& load) {
    for (std::size_t packet = 0; packet < load.packets; packet += load.batch) {
        for (Message message(load, packet); !message.empty();) {
            const auto sent = ::sendmsg(socket, message.get(), MSG_NOSIGNAL);
            if (sent < 0) fail("sendmsg");
            message.drop(static_cast<std::size_t>(sent));
        }
    }
}

/// Takes the notices that are there, or at least one; returns for how many calls they are.
std::uint64_t take_notices(int socket, bool wait, Remarks& remarks) {
    std::uint64_t done = 0;
    for (;;) {
        alignas(cmsghdr) std::array<char, 128> control{};
        msghdr message{};
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        if (::recvmsg(socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            if (errno != EAGAIN) fail("recvmsg(MSG_ERRQUEUE)");
            if (done != 0 || !wait) return done;
            pollfd ready{.fd = socket, .events = 0, .revents = 0};  // POLLERR always counts.
            if (::poll(&ready, 1, -1) < 0) fail("poll");
            continue;
        }
        const auto* first = CMSG_FIRSTHDR(&message);
        if (first == nullptr) throw std::runtime_error("a notice without contents");
        const auto* notice = reinterpret_cast<const sock_extended_err*>(CMSG_DATA(first));
        const std::uint64_t calls = std::uint64_t{notice->ee_data} - notice->ee_info + 1;
        if ((notice->ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0) remarks.zerocopy_copied += calls;
        done += calls;
    }
}

Remarks send_zerocopy(int socket, const Load& load) {
    const int on = 1;
    if (::setsockopt(socket, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) != 0) fail("SO_ZEROCOPY");
    Remarks remarks;
    std::uint64_t open = 0;
    for (std::size_t packet = 0; packet < load.packets; packet += load.batch) {
        for (Message message(load, packet); !message.empty();) {
            const auto sent = ::sendmsg(socket, message.get(), MSG_NOSIGNAL | MSG_ZEROCOPY);
            const bool full = sent < 0 && errno == ENOBUFS && open > 0;
            if (sent < 0 && !full) fail("sendmsg(MSG_ZEROCOPY)");
            if (!full) {
                message.drop(static_cast<std::size_t>(sent));
                ++remarks.zerocopy_calls;
                ++open;
            }
            open -= take_notices(socket, /*wait=*/full, remarks);
        }
    }
    while (open > 0) open -= take_notices(socket, /*wait=*/true, remarks);
    return remarks;
}

void move_by_ring(SocketRing::Move move, int socket, const Load& load) {
    SocketRing ring(static_cast<unsigned>(load.batch));
    Load single = load;
    single.batch = 1;
    for (std::size_t packet = 0; packet < load.packets; packet += load.batch) {
        std::vector<Message> messages;
        messages.reserve(load.batch);
        for (std::size_t i = 0; i < load.batch; ++i) {
            messages.emplace_back(single, packet + i);
            ring.prepare(move, socket, messages.back().get(), /*linked=*/i + 1 < load.batch);
        }
        if (ring.run() != load.batch * (kHeaderBytes + load.packet_bytes)) {
            throw std::runtime_error("the ring moved less than was asked");
        }
    }
}

/// A socket of Asio's over a copy of the descriptor.
Asio::socket adopt(boost::asio::io_context& context, int socket) {
    const int copy = ::dup(socket);
    if (copy < 0) fail("dup");
    return {context, Asio::v4(), copy};
}

/// Sends packet after packet, each from the handler of the one before.
struct HandlerSender {
    void send() {
        if (packet == load.packets) return;
        const auto payload = place_of(load, packet++);
        const std::array<boost::asio::const_buffer, 2> parts{
            boost::asio::buffer(header().data(), kHeaderBytes),
            boost::asio::buffer(payload.data(), payload.size())};
        boost::asio::async_write(socket, parts, [this](boost::system::error_code error, auto) {
            if (error) throw std::system_error(error);
            send();
        });
    }
    const Load& load;
    Asio::socket socket;
    std::size_t packet = 0;
};

struct HandlerReceiver {
    void receive() {
        if (packet == load.packets) return;
        boost::asio::async_read(socket, boost::asio::buffer(header().data(), kHeaderBytes),
                                [this](boost::system::error_code error, auto) {
                                    if (error) throw std::system_error(error);
                                    receive_payload();
                                });
    }
    void receive_payload() {
        const auto payload = place_of(load, packet++);
        boost::asio::async_read(socket, boost::asio::buffer(payload.data(), payload.size()),
                                [this](boost::system::error_code error, auto) {
                                    if (error) throw std::system_error(error);
                                    receive();
                                });
    }
    const Load& load;
    Asio::socket socket;
    std::size_t packet = 0;
};

void receive_full(int socket, std::span<std::byte> target) {
    while (!target.empty()) {
        const auto received = ::recv(socket, target.data(), target.size(), MSG_WAITALL);
        if (received < 0) fail("recv");
        if (received == 0) throw std::runtime_error("the other end is gone");
        target = target.subspan(static_cast<std::size_t>(received));
    }
}

void receive_together(int socket, const Load& load) {
    Load single = load;
    single.batch = 1;
    for (std::size_t packet = 0; packet < load.packets; ++packet) {
        for (Message message(single, packet); !message.empty();) {
            const auto received = ::recvmsg(socket, message.get(), MSG_WAITALL);
            if (received < 0) fail("recvmsg");
            if (received == 0) throw std::runtime_error("the other end is gone");
            message.drop(static_cast<std::size_t>(received));
        }
    }
}

}  // namespace

Remarks send_packets(SendWay way, int socket, const Load& load) {
    switch (way) {
        case SendWay::blocking:
            send_blocking(socket, load);
            break;
        case SendWay::zerocopy:
            return send_zerocopy(socket, load);
        case SendWay::ring:
            move_by_ring(SocketRing::Move::send, socket, load);
            break;
        case SendWay::handlers: {
            boost::asio::io_context context(1);
            HandlerSender sender{load, adopt(context, socket)};
            sender.send();
            context.run();
            break;
        }
    }
    return {};
}

void receive_packets(ReceiveWay way, int socket, const Load& load) {
    switch (way) {
        case ReceiveWay::blocking:
            for (std::size_t packet = 0; packet < load.packets; ++packet) {
                receive_full(socket, header());
                receive_full(socket, place_of(load, packet));
            }
            break;
        case ReceiveWay::together:
            receive_together(socket, load);
            break;
        case ReceiveWay::ring:
            move_by_ring(SocketRing::Move::receive, socket, load);
            break;
        case ReceiveWay::handlers: {
            boost::asio::io_context context(1);
            HandlerReceiver receiver{load, adopt(context, socket)};
            receiver.receive();
            context.run();
            break;
        }
    }
}

}  // namespace socket_trials
