#include "host/codec.h"

#include <algorithm>
#include <string>
#include <type_traits>

#include "host/codec_fields.h"

namespace ladon::host {

namespace {

enum class Kind : std::uint8_t { hello, welcome, request, response, event };
// The type of a response that is an error; the error is its body.
constexpr std::uint8_t kErrorType = 0xFF;

template <class T>
constexpr bool is_plain = std::is_integral_v<T> || std::is_enum_v<T>;

class Writer {
 public:
  template <class... T>
  void all(const T&... values) {
    (put(values), ...);
  }
  std::vector<std::byte> take() { return std::move(out_); }

 private:
  template <class T>
    requires is_plain<T>
  void put(T value) {
    if constexpr (std::is_enum_v<T>) {
      put(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      put(static_cast<std::uint8_t>(value));
    } else {
      const std::size_t at = out_.size();
      out_.resize(at + sizeof(T));
      store_le(&out_[at], value);
    }
  }
  void put(const pcie::Sbdf& address) { all(address.segment, address.bdf.bits); }
  void put(pcie::AccessSet access) { put(access.bits); }
  template <class Tag>
  void put(Address<Tag> address) {
    put(address.bits());
  }
  template <class A>
  void put(const Range<A>& range) {
    all(range.first(), range.last());
  }
  void put(const std::optional<BusAddr>& address) { all(address.has_value(), address.value_or(BusAddr(0))); }
  void put(const std::vector<std::byte>& bytes) {
    put(static_cast<std::uint32_t>(bytes.size()));
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  void put(const std::string& text) {
    const std::size_t length = std::min(text.size(), kMaxReason);
    put(static_cast<std::uint32_t>(length));
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    out_.insert(out_.end(), first, first + length);
  }

  std::vector<std::byte> out_;
};

// Remembers the first thing that is wrong and reads zeros from then on.
class Reader {
 public:
  explicit Reader(ConstBytes in) : in_(in) {}

  template <class... T>
  void all(T&... values) {
    (get(values), ...);
  }
  [[nodiscard]] std::optional<CodecError> problem() const {
    return problem_ || in_.empty() ? problem_ : std::optional(CodecError::trailing_bytes);
  }
  void fail(CodecError error) {
    if (!problem_) problem_ = error;
  }

 private:
  [[nodiscard]] ConstBytes bytes(std::size_t count) {
    if (problem_ || in_.size() < count) {
      fail(CodecError::truncated);
      return {};
    }
    const ConstBytes taken = in_.first(count);
    in_ = in_.subspan(count);
    return taken;
  }
  template <class T>
    requires is_plain<T>
  void get(T& value) {
    if constexpr (std::is_enum_v<T>) {
      std::underlying_type_t<T> bits{};
      get(bits);
      value = static_cast<T>(bits);
    } else if constexpr (std::is_same_v<T, bool>) {
      std::uint8_t bits = 0;
      get(bits);
      if (bits > 1) fail(CodecError::out_of_bounds);
      value = bits == 1;
    } else {
      const ConstBytes from = bytes(sizeof(T));
      value = from.empty() ? T{} : load_le<T>(from.data());
    }
  }
  void get(pcie::Access& access) {
    std::uint8_t bits = 0;
    get(bits);
    if (bits != 1 && bits != 2) fail(CodecError::out_of_bounds);
    access = static_cast<pcie::Access>(bits);
  }
  void get(pcie::Sbdf& address) { all(address.segment, address.bdf.bits); }
  void get(pcie::AccessSet& access) {
    get(access.bits);
    if (access.bits > pcie::kReadWrite.bits) fail(CodecError::out_of_bounds);
  }
  template <class Tag>
  void get(Address<Tag>& address) {
    std::uint64_t bits = 0;
    get(bits);
    address = Address<Tag>(bits);
  }
  template <class A>
  void get(Range<A>& range) {
    A first, last;
    all(first, last);
    const auto read = Range<A>::between(first, last);
    if (!read) return fail(CodecError::out_of_bounds);
    range = *read;
  }
  void get(std::optional<BusAddr>& address) {
    bool there = false;
    BusAddr value;
    all(there, value);
    address = there ? std::optional(value) : std::nullopt;
  }
  void get(std::vector<std::byte>& into) {
    const ConstBytes from = counted(kMaxBulk);
    into.assign(from.begin(), from.end());
  }
  void get(std::string& into) {
    const ConstBytes from = counted(kMaxReason);
    into.assign(reinterpret_cast<const char*>(from.data()), from.size());
  }
  [[nodiscard]] ConstBytes counted(std::size_t most) {
    std::uint32_t count = 0;
    get(count);
    if (count > most) {
      fail(CodecError::out_of_bounds);
      return {};
    }
    return count == 0 ? ConstBytes{} : bytes(count);
  }

  ConstBytes in_;
  std::optional<CodecError> problem_;
};

struct Header {
  std::uint32_t magic = kCodecMagic;
  std::uint16_t version = kCodecVersion;
  Kind kind{};
  std::uint8_t type = 0;
  Epoch epoch{};
  std::uint64_t id = 0;
};

void write(Writer& out, const Header& h) {
  out.all(h.magic, h.version, h.kind, h.type, h.epoch, h.id);
}

template <class Variant>
void write_body(Writer& out, const Variant& choice) {
  // `fields` serves reading too and so takes its message by reference; the writer changes nothing.
  std::visit([&](auto copy) { detail::fields(out, copy); }, choice);
}

// Sets `choice` to its alternative number `type` and reads that one's fields.
template <class Variant, std::size_t I = 0>
void read_body(Reader& in, std::uint8_t type, Variant& choice) {
  if constexpr (I == std::variant_size_v<Variant>) {
    in.fail(CodecError::unknown_type);
  } else if (type == I) {
    detail::fields(in, choice.template emplace<I>());
  } else {
    read_body<Variant, I + 1>(in, type, choice);
  }
}

struct Encode {
  Writer& out;
  void operator()(const Hello& m) const { write(out, {.kind = Kind::hello, .epoch = m.epoch}); }
  void operator()(const Welcome& m) const {
    write(out, {.kind = Kind::welcome, .epoch = m.newest});
    out.all(m.accepted);
  }
  void operator()(const RequestMessage& m) const {
    write(out, {.kind = Kind::request,
                .type = static_cast<std::uint8_t>(m.request.index()),
                .epoch = m.epoch,
                .id = m.id});
    write_body(out, m.request);
  }
  void operator()(const ResponseMessage& m) const {
    const auto type = m.result ? static_cast<std::uint8_t>(m.result->index()) : kErrorType;
    write(out, {.kind = Kind::response, .type = type, .id = m.id});
    if (m.result)
      write_body(out, *m.result);
    else
      out.all(m.result.error());
  }
  void operator()(const EventMessage& m) const {
    write(out, {.kind = Kind::event, .type = static_cast<std::uint8_t>(m.event.index())});
    write_body(out, m.event);
  }
};

Result read_result(Reader& in, std::uint8_t type) {
  if (type == kErrorType) {
    Error error{};
    in.all(error);
    if (error >= Error::count_) in.fail(CodecError::out_of_bounds);
    return std::unexpected(error);
  }
  Response response;
  read_body(in, type, response);
  return response;
}

Message read_message(Reader& in, const Header& header) {
  switch (header.kind) {
    case Kind::hello:
      return Hello{header.epoch};
    case Kind::welcome: {
      Welcome welcome{.newest = header.epoch};
      in.all(welcome.accepted);
      return welcome;
    }
    case Kind::request: {
      RequestMessage message{.id = header.id, .epoch = header.epoch, .request = {}};
      read_body(in, header.type, message.request);
      if (const auto* read = std::get_if<ReadMemory>(&message.request); read && read->length > kMaxBulk)
        in.fail(CodecError::out_of_bounds);
      return message;
    }
    case Kind::response:
      return ResponseMessage{header.id, read_result(in, header.type)};
    case Kind::event: {
      EventMessage message;
      read_body(in, header.type, message.event);
      return message;
    }
  }
  in.fail(CodecError::unknown_kind);
  return Hello{};
}

PinMemory* pin_of(Message& message) {
  auto* request = std::get_if<RequestMessage>(&message);
  return request ? std::get_if<PinMemory>(&request->request) : nullptr;
}

}  // namespace

std::vector<std::byte> encode(const Message& message) {
  Writer out;
  std::visit(Encode{out}, message);
  return out.take();
}

int descriptor_of(const Message& message) {
  const auto* request = std::get_if<RequestMessage>(&message);
  const auto* pin = request ? std::get_if<PinMemory>(&request->request) : nullptr;
  return pin ? pin->fd : -1;
}

std::expected<Message, CodecError> decode(ConstBytes bytes, int fd) {
  Reader in(bytes);
  Header header;
  std::uint8_t kind = 0;
  in.all(header.magic, header.version, kind, header.type, header.epoch, header.id);
  if (bytes.size() < kHeaderSize) return std::unexpected(CodecError::truncated);
  if (header.magic != kCodecMagic) return std::unexpected(CodecError::bad_magic);
  if (header.version != kCodecVersion) return std::unexpected(CodecError::bad_version);
  header.kind = static_cast<Kind>(kind);
  Message message = read_message(in, header);
  if (const auto problem = in.problem()) return std::unexpected(*problem);
  PinMemory* pin = pin_of(message);
  if ((pin != nullptr) != (fd >= 0)) return std::unexpected(CodecError::descriptor);
  if (pin != nullptr) pin->fd = fd;
  return message;
}

}  // namespace ladon::host
