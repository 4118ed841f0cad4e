// A peer of another maker (Fast DDS, which rmw_fastrtps wraps): it reads a topic, changes the message, and sends it back;
// and it serves a service as rmw_cyclonedds has it on the wire.
//   peer DOMAIN     on loopback, until its standard input ends
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <string>

#include <fastdds/dds/domain/DomainParticipant.hpp>
#include <fastdds/dds/domain/DomainParticipantFactory.hpp>
#include <fastdds/dds/publisher/DataWriter.hpp>
#include <fastdds/dds/publisher/Publisher.hpp>
#include <fastdds/dds/subscriber/DataReader.hpp>
#include <fastdds/dds/subscriber/DataReaderListener.hpp>
#include <fastdds/dds/subscriber/SampleInfo.hpp>
#include <fastdds/dds/subscriber/Subscriber.hpp>
#include <fastdds/rtps/transport/UDPv4TransportDescriptor.h>

#include "rosPubSubTypes.h"

using namespace eprosima::fastdds::dds;
using eprosima::fastdds::rtps::UDPv4TransportDescriptor;
using eprosima::fastrtps::rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;

static void change(sensor_msgs::msg::dds_::LaserScan_& scan)
{
    std::reverse(scan.ranges().begin(), scan.ranges().end());
    scan.header().frame_id(scan.header().frame_id() + "_back");
}

static void change(geometry_msgs::msg::dds_::Twist_& twist)
{
    twist.linear().x(-twist.linear().x());
}

static void change(std_msgs::msg::dds_::String_& text)
{
    for (char& each : text.data()) each = static_cast<char>(std::toupper(static_cast<unsigned char>(each)));
}

static std_srvs::srv::dds_::SetBool_Response_ reply_to(const std_srvs::srv::dds_::SetBool_Request_& request)
{
    std_srvs::srv::dds_::SetBool_Response_ reply;
    reply.guid(request.guid());
    reply.seq(request.seq());
    reply.success(request.data());
    reply.message(request.data() ? "on" : "off");
    return reply;
}

template <typename Message>
Message reply_to(const Message& message)
{
    Message changed = message;
    change(changed);
    return changed;
}

template <typename In, typename InType, typename Out, typename OutType>
class Back : public DataReaderListener
{
public:
    Back(DomainParticipant* participant, const std::string& from, const std::string& to)
    {
        DataWriterQos writes = DATAWRITER_QOS_DEFAULT;
        writes.reliability().kind = RELIABLE_RELIABILITY_QOS;
        writes.endpoint().history_memory_policy = PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
        Topic* out = topic(participant, to, new OutType());
        writer_ = participant->create_publisher(PUBLISHER_QOS_DEFAULT)->create_datawriter(out, writes);
        DataReaderQos reads = DATAREADER_QOS_DEFAULT;
        reads.reliability().kind = RELIABLE_RELIABILITY_QOS;
        reads.endpoint().history_memory_policy = PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
        Topic* in = topic(participant, from, new InType());
        if (participant->create_subscriber(SUBSCRIBER_QOS_DEFAULT)->create_datareader(in, reads, this) == nullptr) std::exit(2);
    }

    void on_data_available(DataReader* reader) override
    {
        In message;
        SampleInfo info;
        while (reader->take_next_sample(&message, &info) == ReturnCode_t::RETCODE_OK) {
            if (!info.valid_data) continue;
            Out out = reply_to(message);
            writer_->write(&out);
        }
    }

private:
    static Topic* topic(DomainParticipant* participant, const std::string& name, TopicDataType* made)
    {
        TypeSupport type(made);
        type->auto_fill_type_information(false);  // as rmw_fastrtps does
        type->auto_fill_type_object(false);
        type.register_type(participant);
        return participant->create_topic(name, type.get_type_name(), TOPIC_QOS_DEFAULT);
    }

    DataWriter* writer_;
};

template <typename Message, typename Type>
using Same = Back<Message, Type, Message, Type>;

int main(int argc, char** argv)
{
    DomainParticipantQos qos = PARTICIPANT_QOS_DEFAULT;
    auto loopback = std::make_shared<UDPv4TransportDescriptor>();
    loopback->interfaceWhiteList.push_back("127.0.0.1");
    qos.transport().use_builtin_transports = false;
    qos.transport().user_transports.push_back(loopback);
    DomainParticipant* participant =
        DomainParticipantFactory::get_instance()->create_participant(argc > 1 ? std::atoi(argv[1]) : 0, qos);
    if (participant == nullptr) return 2;
    using namespace sensor_msgs::msg::dds_;
    using namespace geometry_msgs::msg::dds_;
    using namespace std_msgs::msg::dds_;
    using namespace std_srvs::srv::dds_;
    Same<LaserScan_, LaserScan_PubSubType> scan(participant, "rt/scan", "rt/scan_back");
    Same<Twist_, Twist_PubSubType> twist(participant, "rt/cmd_vel", "rt/cmd_vel_back");
    Same<String_, String_PubSubType> text(participant, "rt/chatter", "rt/chatter_back");
    Back<SetBool_Request_, SetBool_Request_PubSubType, SetBool_Response_, SetBool_Response_PubSubType> service(
        participant, "rq/setRequest", "rr/setReply");
    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {}
    std::_Exit(0);
}
