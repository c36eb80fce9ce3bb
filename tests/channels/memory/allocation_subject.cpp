// A program that passes as many buffers through a pool and a queue as it is told, for counting.
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "channels/memory/bounded_queue.hpp"
#include "channels/memory/buffer_pool.hpp"

namespace {

using namespace multifd;  // a program of its own

void pass(long packets, std::size_t capacity) {
    BufferPool pool(4096, capacity + 4);
    BoundedQueue<PooledBuffer> queue(capacity, (capacity + 1) / 2);
    std::vector<std::thread> consumers;
    for (int i = 0; i < 3; ++i) {
        consumers.emplace_back([&queue] {
            while (queue.pop()) {
            }
        });
    }
    for (long i = 0; i < packets; ++i) {
        std::optional<PooledBuffer> buffer = pool.acquire();
        if (!queue.push(std::move(*buffer))) std::abort();
    }
    queue.close();
    for (std::thread& consumer : consumers) consumer.join();
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 2;
    pass(std::strtol(arguments[1], nullptr, 10),
         static_cast<std::size_t>(std::strtol(arguments[2], nullptr, 10)));
    return 0;
}
