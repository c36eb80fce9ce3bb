// A UNIX listener that accepts nobody, and whose backlog is full.
#pragma once

#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "channels/transport/connector.hpp"
#include "channels/transport/listening_socket.hpp"
#include "tests/channels/transport/sockets.hpp"

namespace multifd {

struct FullListener {
    explicit FullListener(const std::string& path)
        : listening({Address::Family::unix_path, {}, 0, path}) {
        ::listen(listening.fd(), 0);
        while (true) {
            auto made =
                connect(listening.local_address(), after(std::chrono::milliseconds(30)), nullptr);
            if (!made) break;
            waiting.push_back(std::move(*made));
        }
    }

    ListeningSocket listening;
    std::vector<Connection> waiting;
};

}  // namespace multifd
