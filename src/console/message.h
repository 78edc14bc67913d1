// What is said at the control socket of a running rack: one JSON object a line, a request and then its reply.
//
//   {"verb":"audit","lying":false}
//   {"ok":true,"result":{...}}            or {"ok":false,"error":"a sentence"}
#pragma once

#include <cstddef>
#include <expected>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace ladon::console {

using Json = nlohmann::json;

// Bytes of a line, without its end. A reply may be as long as an audit with everything switched off.
inline constexpr std::size_t kMaxRequest = 64 << 10, kMaxReply = 256 << 20;
inline constexpr std::size_t kMaxDepth = 16;  // of a request's values in one another

struct Request {
  std::string verb;
  Json arguments;  // the whole object
};

// Each is one line with its end.
[[nodiscard]] std::string to_line(const Json& value);
[[nodiscard]] std::string ok_reply(Json result);
[[nodiscard]] std::string error_reply(std::string_view sentence);

// `line` without its end. The error is a sentence for whoever sent it.
[[nodiscard]] std::expected<Request, std::string> parse_request(std::string_view line);
// The result, or the sentence that came in its place.
[[nodiscard]] std::expected<Json, std::string> parse_reply(std::string_view line);

}  // namespace ladon::console
